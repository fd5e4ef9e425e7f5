struct Shop(Customer, Order);
